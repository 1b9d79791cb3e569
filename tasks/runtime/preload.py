"""Imported once by the stage server, so that no stage pays for these imports (about ten seconds together).

Importing only: a library that starts threads or opens files when it is *used* must not be used here, for what the server
holds is copied into every stage.
"""

import gc
import warnings

import datasets
import great_expectations  # noqa: F401
import peft  # noqa: F401
import pyarrow.parquet  # noqa: F401
import reasoning_gym  # noqa: F401
import torch  # noqa: F401
import transformers
import transformers.models.auto.modeling_auto
import trl.trainer.sft_trainer  # noqa: F401

# Bars of every library would overwrite each other in the terminal; stages report their own progress.
transformers.utils.logging.disable_progress_bar()
datasets.disable_progress_bars()

# Deprecations inside the libraries' own calls: nothing that who reads a run's log could change.
warnings.simplefilter("ignore", FutureWarning)
warnings.simplefilter("ignore", DeprecationWarning)

# Keep the collector from touching, and so copying, the pages shared with the stages.
gc.collect()
gc.freeze()
