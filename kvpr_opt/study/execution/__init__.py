"""Running a study: here, in processes, or on a Dask cluster."""
