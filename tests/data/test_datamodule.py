"""TextData: windows and loaders of a run, alone and with Lightning's Trainer."""

import logging

import numpy as np
import pytest
import torch

from embedlab.config.errors import UserError
from embedlab.config.tree import Config
from embedlab.data.datamodule import TextData


@pytest.fixture
def config(make_config, corpora, tmp_path):
    def make(*overrides: str) -> Config:
        return make_config(
            "corpus=files", f"corpus.path={corpora / 'the-verdict.txt'}", f"cache_dir={tmp_path}", *overrides
        )

    return make


def ready(config: Config) -> TextData:
    data = TextData(config)
    data.prepare_data()
    data.setup()
    return data


def test_windows_of_each_split(config):
    data = ready(config("data.context_length=32", "data.stride=16", "data.max_eval_tokens=null"))
    assert data.tokenizer.vocab_size == 50257
    assert data.tokens.corpus["tokens"] == 5145
    assert (data.train_windows.stride, data.val_windows.stride, data.test_windows.stride) == (16, 32, 32)
    assert len(data.val_windows) == (len(data.tokens.val) - 1) // 32
    scored = np.concatenate([y.numpy() for _, y in data.val_windows])
    assert np.array_equal(scored, data.tokens.val[1 : 1 + len(scored)])


def test_loaders_yield_all_windows(config):
    data = ready(config("data.context_length=32", "data.stride=16", "data.batch_size=8"))
    batches = list(data.train_dataloader())
    assert len(batches) == len(data.train_windows) // 8
    assert {tuple(x.shape) for x, _ in batches} == {(8, 32)}
    assert all(torch.equal(x[:, 1:], y[:, :-1]) for x, y in batches)
    again = list(data.train_dataloader())
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(batches, again, strict=True))
    in_order = torch.cat([x for x, _ in data.val_dataloader()])
    assert torch.equal(in_order, torch.stack([x for x, _ in data.val_windows]))
    assert sum(len(x) for x, _ in data.test_dataloader()) == len(data.test_windows)


def test_loaders_do_not_draw_from_the_global_generator(config):
    data = ready(config("data.context_length=32"))
    before = torch.get_rng_state()
    for batches in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        list(batches)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_order_depends_on_the_seed(config):
    first, second = (
        torch.cat([x for x, _ in ready(config("data.context_length=32", f"seed={seed}")).train_dataloader()])
        for seed in (1, 2)
    )
    assert not torch.equal(first, second)


@pytest.mark.parametrize("most", [32, 64, 100, 200, 10_000])
def test_fewer_eval_tokens_are_spread_over_the_text(config, most):
    data = ready(config("data.context_length=32", f"data.max_eval_tokens={most}"))
    windows, n = data.val_windows, len(data.tokens.val)
    assert windows.stride >= 32
    assert len(windows) * 32 <= most
    assert len(windows) >= min(most // 32, (n - 1) // 32) * 0.8
    if len(windows) > 1:  # the last one is near the text's end
        assert (len(windows) - 1) * windows.stride + 32 + windows.stride >= n - 1


def test_a_short_training_text_gives_a_smaller_batch(config, caplog):
    """corpus=verdict with the chapters' context of 256 has 16 windows."""
    with caplog.at_level(logging.WARNING, "embedlab.data"):
        data = ready(config("data.context_length=256", "data.batch_size=32"))
    assert "data.batch_size=32, but the training text has 16 windows" in caplog.text
    assert [tuple(x.shape) for x, _ in data.train_dataloader()] == [(16, 256)]


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (
            4200,
            r"^train text of corpus=files: data.context_length=4200 needs .* 4201 tokens or more, .* has 4113",
        ),
        (600, r"^val text of corpus=files: data.context_length=600 needs .* this one has 500: give a shorter"),
    ],
)
def test_a_text_shorter_than_a_window_is_refused(config, length, message):
    with pytest.raises(UserError, match=message) as caught:
        ready(config(f"data.context_length={length}"))
    assert "\n" not in str(caught.value)


def test_eval_tokens_below_one_window_are_refused(config):
    with pytest.raises(UserError, match=r"data.max_eval_tokens=100 is less than one window of data.context_length=256"):
        config("data.context_length=256", "data.max_eval_tokens=100")


def test_workers_do_not_change_the_batches(config):
    settings = ("data.context_length=32", "data.stride=8", "data.num_workers=")
    alone, shared = (list(ready(config(*settings[:2], settings[2] + n)).train_dataloader()) for n in "02")
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(alone, shared, strict=True))


@pytest.fixture
def train(config, tmp_path):
    """train(epochs, …) -> every training batch that Lightning's Trainer gets from the real loaders."""
    import lightning

    class Recorder(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))
            self.seen: list[list[list[int]]] = []

        def training_step(self, batch, index):
            self.seen.append(batch[0].tolist())
            return 0 * self.weight

        def validation_step(self, batch, index):
            assert batch[0].shape[1] == 64

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters())

    def fit(epochs: int, **settings: object) -> list[list[list[int]]]:
        keep = lightning.pytorch.callbacks.ModelCheckpoint(
            tmp_path / "kept", filename="{step}", every_n_train_steps=1, save_top_k=-1
        )
        trainer = lightning.Trainer(
            max_epochs=epochs, accelerator="cpu", devices=1, logger=False, callbacks=[keep],
            enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
        )  # fmt: skip
        module = Recorder()
        data = TextData(config("data.context_length=64", "data.batch_size=16"))
        trainer.fit(module, datamodule=data, **settings)
        return module.seen

    return fit


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated")
@pytest.mark.filterwarnings("ignore:.*exists and is not empty")
def test_with_lightning_each_epoch_has_another_order_and_resumes_exactly(train, tmp_path):
    seen = train(3)
    assert len(seen) == 12
    assert seen[:4] != seen[4:8] != seen[8:] != seen[:4]
    for step in (1, 3, 4, 6, 8, 11):  # 4 and 8: an epoch's end
        rest = train(3, ckpt_path=tmp_path / "kept" / f"step={step}.ckpt")
        assert rest == seen[step:], step
