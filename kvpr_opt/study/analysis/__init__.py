"""What the record of a study says: outcomes, statistics, tables, comparisons."""
