"""A campaign on a Dask cluster is the campaign on this machine."""

from __future__ import annotations

import pytest
from distributed import LocalCluster

from bulkhead.cli import main
from bulkhead.fuzz.campaign import BATCH, Campaign, Plan, Report, cluster_workers, play_batch


def test_the_same_seeds_give_the_same_on_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan(5, 30)
    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None) as cluster:
        there = Campaign(plan)
        with cluster_workers(cluster.scheduler_address) as (executor, workers):
            for _ in there.run(executor, workers, 60, calls=1):
                pass
        assert main(["fuzz", "--cluster", cluster.scheduler_address, "--calls", "100", "--length", "30"]) == 0
    assert f"1 workers on {cluster.scheduler_address}" in capsys.readouterr().out
    here = Report()
    for batch in range(there.total.histories // BATCH):
        here.add(play_batch(plan, batch))
    assert (workers, there.total.names, there.total.reached) == (1, here.names, here.reached)
