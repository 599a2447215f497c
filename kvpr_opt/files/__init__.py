"""Files: fleets as JSON, YAML or CSV by one schema, results, and safe reading and writing."""

from kvpr_opt.files.atomic import check_writable, same_file, write_bytes, write_text
from kvpr_opt.files.reading import read_instance
from kvpr_opt.files.results import read_result, write_result
from kvpr_opt.files.source import read_text
from kvpr_opt.files.writing import write_instance

__all__ = [
    "check_writable",
    "read_instance",
    "read_result",
    "read_text",
    "same_file",
    "write_bytes",
    "write_instance",
    "write_result",
    "write_text",
]
