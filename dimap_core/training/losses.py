"""What training minimises: the joint class with every cue's marginal, a teacher's answers. Next door: `loop`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch.nn import functional as F


def cue_loss(
    logits: torch.Tensor, targets: torch.Tensor, cues: Mapping[str, np.ndarray], smoothing: float
) -> torch.Tensor:
    """Smoothed cross-entropy of the joint class plus the NLL of every cue's marginal; logits [B, classes], targets
    classes [B] or shares of each class [B, classes].

    Without the marginals one cue of the textured digits is learned and the other stays at chance.
    """
    loss = F.cross_entropy(logits, targets, label_smoothing=smoothing)
    log_p = logits.float().log_softmax(-1)
    for values in cues.values():
        of_class = torch.as_tensor(values, device=logits.device)
        count = int(of_class.max()) + 1
        parts = [log_p.masked_fill(of_class != value, -torch.inf).logsumexp(-1) for value in range(count)]
        marginals = torch.stack(parts, -1)  # [B, values]
        if targets.ndim == 1:
            loss = loss - marginals.gather(1, of_class[targets][:, None]).mean()
        else:
            loss = loss - (targets @ F.one_hot(of_class).float() * marginals).sum(-1).mean()
    return loss


def distillation(
    logits: torch.Tensor, taught: torch.Tensor, form: Literal["none", "soft", "hard"], temperature: float
) -> torch.Tensor:
    """Hinton et al. 2015 (arXiv 1503.02531): T^2 KL(teacher || student) at temperature T; or DeiT's hard form
    (arXiv 2012.12877, Eq. 3), cross-entropy with the teacher's answers. Both logits [B, classes]."""
    if form == "hard":
        return F.cross_entropy(logits.float(), taught.argmax(-1))
    student, teacher = (values.float().div(temperature).log_softmax(-1) for values in (logits, taught))
    return temperature**2 * F.kl_div(student, teacher, log_target=True, reduction="batchmean")
