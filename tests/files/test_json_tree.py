"""JSON as a tree of text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvpr_opt.errors import InputError
from kvpr_opt.files.json_tree import json_tree
from kvpr_opt.files.tree import NumberText


def test_numbers_stay_text_and_are_told_from_text():
    tree = json_tree('[1, 1.50, -2e9, "1", true, null]')
    assert tree == ["1", "1.50", "-2e9", "1", True, None]
    assert [type(value) is NumberText for value in tree] == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("text", "place", "key"),
    [
        ('{"a": 1, "a": 1}', "line 1", "a"),
        ('{"a": {"b": 1},\n "b": 2,\n "c": [{"x": "{"},\n {"y": 1, "y": 2}]}', "line 4", "y"),
        ('{"x,\\"": ["x"],\n "x,\\"": 2}', "line 2", 'x,"'),
        ('{"a": 1,\n"\\u0061": 2}', "line 2", "a"),
        ('[[], {}, {"": [],\n "": 1}]', "line 2", None),
    ],
)
def test_a_repeated_key_is_refused_with_its_line(text, place, key):
    named = "(nothing)" if key is None else repr(key)
    with pytest.raises(InputError) as caught:
        json_tree(text, "f.json")
    assert str(caught.value) == f"f.json: {place}: duplicate key {named}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "^f.json: line 1, column 1: not JSON: Expecting value"),
        ('{"a" 1}', "^f.json: line 1, column 6: not JSON: Expecting ':' delimiter"),
        ("[1]\n[2]", "^f.json: line 2, column 1: not JSON: Extra data"),
        ("{'a': 1}", "^f.json: line 1, column 2: not JSON"),
        ("[01]", "^f.json: line 1, column 3: not JSON"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(text, message):
    with pytest.raises(InputError, match=message):
        json_tree(text, "f.json")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000], ids=["lists", "objects"])
def test_deep_nesting_is_refused(text):
    with pytest.raises(InputError, match=r"^f\.json: nested too deeply"):
        json_tree(text, "f.json")


trees = st.recursive(
    st.text() | st.booleans() | st.none(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(trees)
def test_any_json_without_numbers_is_read_as_it_is(tree):
    assert json_tree(json.dumps(tree)) == tree


@given(trees, st.text())
def test_a_key_repeated_anywhere_is_found(tree, key):
    name = json.dumps(key)
    text = f"[{json.dumps(tree)},\n{{{name}: {json.dumps(tree)}, {name}: 1}}]"
    with pytest.raises(InputError, match=r"line 2: duplicate key .*"):
        json_tree(text)
