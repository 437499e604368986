"""Trains a small model for a few steps, alone or as one of several processes; the first writes what came of it."""

import sys
from dataclasses import replace

import timm
import torch
from safetensors.torch import save_file

from dimap_core.data.registry import load_data
from dimap_core.training.loop import Training
from dimap_core.training.settings import Settings

torch.manual_seed(0)
torch.set_num_threads(1)
data = load_data("digits", "train")
data = replace(data, images=data.images[:80], labels=data.labels[:80])
sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2, "num_classes": 10}
model = timm.create_model("vit_tiny_patch16_224", **sizes)
training = Training(model, data, Settings(epochs=3, batch_size=20, lr=1e-3, precision="no", ema=0.9))
steps = list(training.run())
if training.accelerator.is_main_process:
    print(training.accelerator.num_processes, len(steps))
    save_file(training.result().state_dict(), sys.argv[1])
