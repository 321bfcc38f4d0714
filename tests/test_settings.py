"""Settings files: the paper's is the default, and a wrong setting is named."""

from pathlib import Path

import pytest

from heartbeats.common.settings import Settings, SettingsError, read_settings, settings_from_dict

CONFIGS = Path(__file__).parents[1] / "configs"


def test_the_papers_file_spells_out_the_defaults():
    assert read_settings(CONFIGS / "paper.toml") == Settings()
    written = (CONFIGS / "paper.toml").read_text()
    for table, values in Settings().to_dict().items():
        assert f"[{table}]" in written
        assert [key for key in values if f"\n{key} = " not in written.split(f"[{table}]")[1].split("\n[")[0]] == []


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_file_is_read(path):
    settings = read_settings(path)
    assert settings_from_dict(settings.to_dict()) == settings


def test_a_file_names_only_what_it_changes():
    settings = settings_from_dict({"training": {"epochs": 3}, "cohort": {"seed": 1}})
    assert (settings.training.epochs, settings.training.batch_size, settings.training.seed) == (3, 16, 0)
    assert settings.cohort.seed == 1
    assert settings.network == Settings().network


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[trainng]\nepochs = 3", "trainng"),
        ("[training]\nepoch = 3", "training.epoch"),
        ("[training]\nepochs = 3.0", "training.epochs"),
        ("[training]\nepochs = true", "training.epochs"),
        ("[training]\nepochs = 0", "training.epochs"),
        ("[training]\nseconds = 30", "training.seconds"),
        ("[training]\nseconds = []", "training.seconds"),
        ("[training]\nseconds = [60]", "training.seconds"),
        ("[training]\nseconds = [10, 10]", "training.seconds"),
        ("[training]\nlearning_rate = 0", "training.learning_rate"),
        ("[training]\nschedule = 'cosine'", "training.schedule"),
        ("[training]\naveraging = 1.0", "training.averaging"),
        ("[training]\nweight_decay = -1", "training.weight_decay"),
        ("[training]\nnetworks = 0", "training.networks"),
        ("[augmentation]\ngain = -0.1", "augmentation.gain"),
        ("[augmentation]\nlead_dropout = 1.1", "augmentation.lead_dropout"),
        ("[network]\nsampling_rate = 200", "network.sampling_rate"),
        ("[cohort]\nvalidation_folds = [9]", "cohort.groups"),
        ("[training]\nlearning_rate = inf", "training.learning_rate"),
        ("[training]\nreduced_learning_rate = nan", "reduced_learning_rate"),
        (f"[training]\nlearning_rate = 1{400 * '0'}", "training.learning_rate"),
        (f"[training]\nseed = 1{5000 * '0'}", "TOML"),
        (f"a = {3000 * '['}", "TOML"),
        ('[cohort]\nstore = "a\\u0000b"', "cohort.store"),
        ('[cohort]\nstore = ""', "cohort.store"),
        ("[network]\nwidth = 8", "network.reduction is 16 but must be between 1 and network.width, which is 8"),
        ("[network]\nblocks = []", "network.blocks"),
        ("[network]\nblocks = [3, 0]", "network.blocks"),
        ("[network]\ndropout = 1.0", "network.dropout"),
        ("[network]\nleads = 3", "network.leads"),
        ('[training]\nloss = "hinge"', "training.loss"),
        ("[preparation]\ndenoising = 1", "preparation.denoising"),
        ("[cohort]\nvalidation_fraction = 1.5", "cohort.validation_fraction"),
        ("[cohort]\nexcluded_sources = [1]", "cohort.excluded_sources"),
        ("[cohort]\nexcluded_sources = ['Incart']", "unknown source 'Incart'; the sources are cpsc"),
        ("[relabelling]\nprobability = 80", "relabelling.probability"),
        ("[relabelling]\nseconds = 31", "relabelling.seconds"),
        ("network = 3", "network"),
        ("[network", "TOML"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(tmp_path, text, named):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as raised:
        read_settings(path)
    assert str(path) in str(raised.value)
    assert named in str(raised.value)
    with pytest.raises(SettingsError, match=r"absent\.toml"):
        read_settings(tmp_path / "absent.toml")
