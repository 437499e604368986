"""One sentence for each term that appears on screen; widgets show them as tooltips."""

TERMS = {
    "params": "Numbers the model has learned. Kept: without removed weights, which are there but zero.",
    "macs": "Multiply-accumulates of one image's forward pass. Papers on vision transformers call them FLOPs. Kept: "
    "without those of removed weights, which are there but zero.",
    "top1": "Share of validation images whose first answer is right, with its 95 % Wilson interval.",
    "agreement": "Share of images to which the pruned model gives the dense model's answer, with its 95 % Wilson "
    "interval. They have no labels, so this is no accuracy.",
    "drop": "Pruned minus dense accuracy on the same images, with Newcombe's paired 95 % interval.",
    "criterion": "How much one weight is worth. The least worthy go first.",
    "scope": "Which weights compete with each other for survival. DIMAP's own scope is the module.",
    "module": "A class of layers over all blocks: QKV (queries, keys, values), projection, or MLP.",
    "ratio": "Removed weights / prunable weights. Embedding, merging, norms, biases and head are never cut.",
    "budget": "The share of all MACs (or params) to remove; the ratio that does it is solved for.",
    "pay": "0 ranks by importance alone, as published. 1 ranks by importance per MAC, so weights that are used at many "
    "tokens must earn their keep. In between is a compromise. This is our extension of DIMAP.",
    "find-by": "What the cut may cost. With an accuracy to keep, the cut with the fewest MACs is looked for that still "
    "has it on the images that choose.",
    "find-search": "Shares of stages and kinds are varied around the best cut, with the refit in the loop. From a good "
    "start it seldom gains anything; if so, it says that.",
    "sweep-models": "This page's model and the bundled ones. Each is judged by its own images, or all by those "
    "chosen above.",
    "sweep-shares": "Shares to remove, with commas between. Every combination of all choices is one cut.",
    "sweep-seeds": "Seeds of random scores and of the training images that are read, with commas between: 0, 1, 2.",
    "granularity": "Single weights become zeros: smaller on paper, not faster. Whole structures (hidden units, heads, "
    "dimensions of heads) are taken out: the model gets really smaller and faster.",
    "nm": "Of every 4 (or 8) neighbouring inputs of a unit only 2 (or 4) weights stay. GPUs with sparse tensor cores "
    "can run 2:4 faster; ordinary hardware cannot.",
    "repair": "One shot, no training: what is left is refitted by least squares on unlabelled training images, layer "
    "after layer, so that it answers as the dense model did. Zeros stay zeros.",
    "preview": "Preview: all layers refitted at once from what they see in the dense model. The one that counts runs "
    "through the model anew and follows once you rest. In deep cuts it can be far "
    "better: by ten points and more.",
    "images": "Training images that are read once, before anything is ranked or repaired. More "
    "take longer and change less and less.",
    "pictures": "What accuracy is measured on. Your own images lie in one folder a class, or a table "
    "beside them says which is which; they stay on this machine.",
    "split": "Which of the set's splits accuracy is measured on; criteria and repair read the training one.",
    "count": "Of every class nearly as many. More take longer and narrow the interval.",
    "draw": "The seed that the images are drawn with: the same seed gives the same images.",
    "round": "Hidden units and dimensions stay in multiples of 8, which suits vector units; measure what it brings.",
    "latency": "Dense and pruned model run by turns on this device, by turns; what a cut saves in time "
    "depends on device, batch size and threads, and is never derived from MACs.",
    "zeros": "Removed weights are set to zero. Smaller on paper; ordinary hardware does not run it faster.",
    "seed": "Fixes the random scores: the same seed gives the same cut.",
    "recover": "Training of what the cut left over: zeros stay zeros, a smaller model stays as small.",
    "distill": "The pruned model learns from the dense model's answers as well as from the labels.",
    "preset": "Suited: learning rate 5e-4, for small models in minutes. Paper: DIMAP's fine-tuning, 30 epochs "
    "at 2e-5 with 15 of warm-up, made for ImageNet.",
    "score": "The criterion's value of a weight, averaged over the layer.",
    "lost": "Score of the removed weights per million MACs that their removal saves: where a saved MAC costs least.",
    "flipped": "An answer is flipped when the pruned model gives another one than the dense model.",
    "margin": "How far the answer's probability lies above the second highest one: near 0 means undecided.",
    "integrated-gradients": "Integrated gradients: each pixel's share of the logit, its gradient averaged on the way "
    "from a black image to this one.",
    "completeness": "The shares of all pixels should add up to the logit's change from black; the completeness error "
    "is what is missing.",
    "occlusion": "Occlusion: how far the logit falls when a patch is black.",
    "grad-cam": "Grad-CAM: where the last feature maps, weighed by their mean gradient, speak for the class.",
    "rollout": "Attention rollout: how much of each patch attention carries to the class token, block after block.",
    "token": "A token is the model's note on one place of the image: at first one patch, a small square of pixels. "
    "Where patches merge, the token that it went into is followed. DeiT adds a class token; it gives the answer.",
    "windows": "Tokens exchange what they know inside a window only; every second block shifts the windows, so that "
    "neighbours on both sides of a border meet too. A DeiT has one window that holds all tokens.",
    "attention": "How much the followed token takes from each token that it sees; each head has its own map, whose "
    "shares add up to 100 %.",
    "energy": "How strongly the model's notes on a place are written: the mean square over channels after the block.",
    "apart": "Length of the difference between the pruned and the dense model's notes (the residual stream after the "
    "block), in % of the dense one's length.",
    "handing": "The pruned model works up to a block, the dense model does the rest: what it still gives the right "
    "answer. Where this falls, what the answer needs gets lost.",
    "explanation": "An explanation has moved as far as the rank correlation of its dense and its pruned map lies "
    "below 1.",
    "correlation": "Spearman's rank correlation of two criteria's scores, unit by unit: 1 means the same ranking, 0 "
    "that one says nothing of the other.",
    "rank": "0 % goes first, 100 % last, among the units shown. Equal scores share a rank.",
    "leave-one-out": "One head, or one tenth of a block's hidden units, is taken out of the dense model and everything "
    "else stays: what the model then really loses is the truth that criteria try to foretell.",
    "tenth": "A tenth of a block's hidden units, neighbours by index, so that no criterion has a say in it.",
    "sensitivity": "One stage × module (or kind) is cut alone at rising ratios, everything else stays dense: how much "
    "that part bears.",
    "ratios": "One ratio for each part, chosen so that the losses read from the curves sum to the least while at least "
    "the chosen share goes. The curves know nothing of parts cut together, so compare before you believe.",
}
