"""Our quick composition of a job's config gives the same as Hydra's."""

from collections.abc import Iterator

import pytest
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from embedlab.runs.folder import job_folder
from embedlab.sweep.composing import Composer
from embedlab.training.whole_config import register
from tests.commands import ROOT

POINTS = [
    ["seed=1"],
    ["seed=2", "optimizer.lr=0.5"],
    ["optimizer.lr=0.5", "seed=2"],
    ["position=rotary", "seed=1"],
    ["seed=1", "position=rotary", "position.base=50"],
    ["position=t5", "position.scale=8", "model.embedding_dim=64", "model=linear"],
    ["position=per_layer", "position.schemes=[rotary,{name: t5, buckets: 8}]"],
    ["experiment=smoke", "seed=3"],
    ["corpus=files", "corpus.path='a b, c=d'", "output_dir=elsewhere", "sweep_name=x"],
    ["callbacks.projector=null", "+callbacks.own._target_=a.B", "callbacks.own._target_=a.C"],
    ["~callbacks.projector", "seed=4"],
    ["trainer=ddp", "trainer.devices=4", "hydra.job.name=other", "seed=5"],
    ["+trainer.accumulate_grad_batches=2", "trainer.max_steps=7"],
]


@pytest.fixture
def loader() -> Iterator[ConfigLoaderImpl]:
    register()
    for name in ("choices_help", "settings_help"):
        OmegaConf.register_new_resolver(name, lambda *_: "", replace=True)
    OmegaConf.register_new_resolver("job_folder", job_folder, replace=True)
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


def master(loader: ConfigLoaderImpl) -> DictConfig:
    return loader.load_configuration("config", ["hydra/sweeper=basic", "hydra.job.chdir=false"], RunMode.MULTIRUN)


def test_equals_hydras_own(loader: ConfigLoaderImpl) -> None:
    top = master(loader)
    compose = Composer(loader, top)
    for point in [*POINTS, *reversed(POINTS)]:  # whatever was composed before
        quick, own = compose(point), loader.load_sweep_config(top, point)
        assert OmegaConf.to_container(quick) == OmegaConf.to_container(own), point
        assert quick.hydra.sweep.subdir == own.hydra.sweep.subdir
        assert OmegaConf.is_struct(quick)
        assert OmegaConf.get_type(quick.model) == OmegaConf.get_type(own.model)


@pytest.mark.parametrize("point", [["seed=x"], ["sed=1"], ["position=rotry"], ["position.base=3"]])
def test_mistakes_are_hydras_own(loader: ConfigLoaderImpl, point: list[str]) -> None:
    top = master(loader)
    with pytest.raises(HydraException) as own:
        loader.load_sweep_config(top, point)
    with pytest.raises(type(own.value)) as quick:
        Composer(loader, top)(point)
    assert str(quick.value) == str(own.value)
