"""Never answers."""

import time


def compute_model_placement(gpu_num, models):
    time.sleep(60)
