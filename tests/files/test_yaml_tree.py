"""YAML as a tree of text."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kvpr_opt.errors import InputError
from kvpr_opt.files import yaml_tree as module
from kvpr_opt.files.yaml_tree import yaml_tree


@pytest.fixture(params=["C", "Python"], autouse=True)
def _either_parser(request, monkeypatch):
    loader = yaml.BaseLoader if request.param == "Python" else module._LOADER
    monkeypatch.setattr(module, "_LOADER", loader)


def test_scalars_are_text():
    text = "a: no\nb: 1:30\nc: 0.1\nd: ~\ne:\nf: 0o17\n'g': [yes, '1', \"x\\ty\"]\nh: |\n  1\n  2\n"
    assert yaml_tree(text) == {
        "a": "no",
        "b": "1:30",
        "c": "0.1",
        "d": "~",
        "e": "",
        "f": "0o17",
        "g": ["yes", "1", "x\ty"],
        "h": "1\n2\n",
    }


def test_flow_and_block_style_are_one():
    assert yaml_tree("a:\n- b: 1\n  c: []\n- {}\n") == yaml_tree("{a: [{b: 1, c: []}, {}]}")


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_document_is_nothing(text):
    assert yaml_tree(text) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "^f.yaml: line 3: duplicate key 'a'$"),
        ("x:\n- {a: 1,\n   'a': 2}", "^f.yaml: line 3: duplicate key 'a'$"),
        ("a: &x [1]\nb: 2", "^f.yaml: line 1: anchor 'x': anchors are not allowed"),
        ("a: 1\nb: *x", "^f.yaml: line 2: alias 'x': aliases are not allowed"),
        ("a: !!int 3", "^f.yaml: line 1: tag 'tag:yaml.org,2002:int': tags are not allowed"),
        ("a: !!python/object:os.system {}", "^f.yaml: line 1: tag .*: tags are not allowed"),
        ("- !x [1]", "^f.yaml: line 1: tag '!x': tags are not allowed"),
        ("a: 1\n---\nb: 2\n", "^f.yaml: line 2: a second document"),
        ("? [a]\n: 1", "^f.yaml: line 1: a list is not a key; keys are text"),
        ("? {a: b}\n: 1", "^f.yaml: line 1: a mapping is not a key; keys are text"),
        ("a: [1,\nb", r"^f.yaml: line \d, column \d: not YAML: "),
        ("a: 1\n b: 2", "^f.yaml: line 2, column 3: not YAML: mapping values are not allowed"),
        ("\ta: 1", "^f.yaml: line 1, column 1: not YAML: "),
        ("a: \0", "^f.yaml: not YAML: "),
    ],
)
def test_what_is_doubtful_is_refused_with_its_line(text, message):
    with pytest.raises(InputError, match=message):
        yaml_tree(text, "f.yaml")


def test_aliases_cannot_multiply():
    bomb = "a: &a [x, x]\n" + "".join(
        f"{key}: &{key} [*{before}, *{before}]\n"
        for before, key in zip("abcdefghij", "bcdefghijk", strict=True)
    )
    with pytest.raises(InputError, match="anchors are not allowed"):
        yaml_tree(bomb)


@pytest.mark.parametrize("piece", ["[", "- ", "{a: "])
def test_deep_nesting_is_refused(piece):
    with pytest.raises(InputError, match=r"^f\.yaml: line 1: nested too deeply"):
        yaml_tree(piece * 100_000, "f.yaml")


def test_keys_nested_in_keys_are_refused():
    with pytest.raises(InputError, match="a mapping is not a key"):
        yaml_tree("{" * 100_000)


trees = st.recursive(
    st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from("abc:# -")), inner),
    max_leaves=20,
)


@given(trees)
def test_any_yaml_of_text_is_read_as_it_is(tree):
    def plain(node):
        if isinstance(node, dict):
            return {key: plain(value) for key, value in node.items()}
        return [plain(value) for value in node] if isinstance(node, list) else node

    class NoAliases(yaml.SafeDumper):
        def ignore_aliases(self, data):
            return True

    text = yaml.dump(plain(tree), Dumper=NoAliases, allow_unicode=True, default_style='"')
    # The dumper tags what is empty and quoted as text.
    assert yaml_tree(text.replace("!!str ", "")) == tree
