import pytest

from container.configuration.domains import Integer
from container.configuration.hyperparameter_table import TABLE, Hyperparameter, defaults, markdown_table


def test_defaults_are_those_the_built_in_logs_in_its_order_and_then_ours() -> None:
    built_in = (
        "{'init_method': 'random', 'mini_batch_size': '5000', 'epochs': '1', 'extra_center_factor': 'auto', "
        "'local_lloyd_max_iter': '300', 'local_lloyd_tol': '0.0001', 'local_lloyd_init_method': 'kmeans++', "
        "'local_lloyd_num_trials': 'auto', 'half_life_time_size': '0', 'eval_metrics': '[\"msd\"]', "
        "'force_dense': 'true', '_disable_wait_to_read': 'false', '_enable_profiler': 'false', '_kvstore': 'auto', "
        "'_log_level': 'info', '_num_gpus': 'auto', '_num_kv_servers': '1', '_num_slices': '1', "
        "'_tuning_objective_metric': ''"
    )
    ours = (
        ", 'seed': '0', 'refine_sample_size': 'auto', 'early_stopping_tolerance': '0', 'distance': 'euclidean', "
        "'feature_columns': '', 'id_column': '', 'weight_column': '', 'missing': 'error', 'feature_names': '', "
        "'keep_sample': 'true', 'standardize': 'false', 'checkpoint_interval_seconds': '60', "
        "'write_assignments': 'auto', 'assignment_outputs': 'closest_cluster,distance_to_cluster', "
        "'contamination': '0.01', 'write_report': 'true'}"
    )
    assert str(defaults()) == built_in + ours


@pytest.mark.parametrize("row", [row for row in TABLE if row.tunable], ids=lambda row: str(row.name))
def test_tuning_stays_within_the_values_allowed(row: Hyperparameter) -> None:
    assert [row.domain.parse(text) for text in row.tunable]
    if isinstance(row.domain, Integer):
        low, high = map(int, row.tunable)
        assert low < high


def test_the_markdown_table_has_a_line_for_each_row() -> None:
    lines = markdown_table().splitlines()
    names = [line.split("`")[1] for line in lines[2:]]
    assert sorted(names) == sorted(row.name for row in TABLE)
    assert all(line.count("|") == 6 for line in lines)
    assert lines[3] == "| `k` | an integer from 2 to 16777216 | required |  | Number of clusters. |"
    assert lines[5].split(" | ")[2:4] == ["`5000`", "3000 to 15000"]
