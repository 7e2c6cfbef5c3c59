"""What is this? One plain paragraph for each kind of step and weight, for a reader who has never seen a transformer.

The sentence of a step says what it computes; the paragraph here says why a transformer has such a step at all.
"""

from __future__ import annotations

import re

from handcalc.formulas.step import UPDATED

EXPLANATIONS = {
    # Forward
    "embedding.token": "A computer cannot calculate with a word, so each word of the vocabulary has its own list of "
    "numbers, its vector. Training moves words that are used alike to similar vectors. This step copies the vectors of "
    "the words in the text.",
    "embedding.position": "The order of words matters: “dog bites man” is not “man bites dog”. So each place in the "
    "text also has a vector of its own, the same for every text.",
    "embedding.sum": "From here on each word of the text is one vector, which the parts of the model read and add to. "
    "This running sum is called the residual stream: picture a notepad for each word, on which every part may write.",
    "norm.mean": "Before a part of the model reads a vector, the vector is brought to a standard size, so that no part "
    "has to cope with numbers that are far too large or too small. The first step is the mean of its numbers.",
    "norm.centered": "Subtracting the mean moves the vector's numbers so that they lie around 0: some above, some "
    "below.",
    "norm.variance": "How far do the numbers lie from 0? Squares count every distance as positive, and the mean of the "
    "squares is one number for the whole vector, its variance.",
    "norm.rstd": "The root of the variance is the typical distance from 0. Its reciprocal is the factor that makes "
    "that distance 1. A tiny number is added first, so that nothing is divided by 0.",
    "norm.normalized": "The vector in its standard size: its numbers have mean 0 and typical distance 1. Only the "
    "pattern is left, which numbers are high and which are low.",
    "norm.out": "The model may still want some numbers of the pattern louder than others. A learned factor for each "
    "channel does that, and if the model has biases, a learned shift.",
    "attn.q": "Attention lets a word collect information from the words before it. Each word asks a question, a short "
    "vector called its query. It is computed from the word's vector by learned weights.",
    "attn.k": "Each word also holds up a sign that says what it has to offer, a short vector called its key. A word is "
    "looked at if its key fits another word's query.",
    "attn.v": "If a word is looked at, this is what it hands over: its value, again a short vector computed from the "
    "word's vector by learned weights.",
    "attn.scores": "Does the key fit the query? Multiply them number by number and add up. The result is large if "
    "both are high in the same places, and below 0 if they point in opposite directions.",
    "attn.scaled": "Sums of more products are larger. Dividing by the square root of the number of products keeps the "
    "scores in a range in which small differences still matter.",
    "attn.masked": "The model learns to predict the next word, so it must not see it. The scores of later words are "
    "replaced by minus infinity, which gives them no share of the attention at all.",
    "attn.softmax.max": "Scores are about to be turned into shares. Only their differences matter, so the largest one "
    "may be subtracted from all; the numbers then stay small enough for any calculator.",
    "attn.softmax.exponentials": "The exponential function makes every score positive, and makes a lead in score a "
    "multiple: a score higher by 1 counts 2.7 times as much.",
    "attn.softmax.sum": "The total, of which each word will get its share.",
    "attn.weights": "The shares of attention: how much each word (row) looks at itself and at each earlier word "
    "(column). They are what the heat maps show. Each row adds up to 1.",
    "attn.heads": "Each word collects the values of the words it looked at, mixed in proportion to their shares. So "
    "information has moved from word to word; nowhere else in the model does it move.",
    "attn.merged": "Several heads look at the same text with different questions. Here what they found is put side by "
    "side, as one longer vector for each word.",
    "attn.out": "What the heads found is translated into the language of the residual stream, by learned weights, so "
    "that it can be added there.",
    "attn.residual": "The result is added to the notepad of each word. Nothing that was there is overwritten, so later "
    "parts can still read it.",
    "mlp.hidden": "After the words have exchanged information, each one is worked on by itself. Every hidden unit is a "
    "detector: its weights describe a pattern, and its number says how strongly the word's vector shows it.",
    "mlp.gelu.argument": "A detector should report what it finds, and be silent otherwise. GELU is a smooth switch for "
    "that: nearly closed for negative numbers, open for large ones. This step computes how far to open it.",
    "mlp.gelu.tanh": "tanh turns any number into one between -1 and 1: here, how far the switch is open.",
    "mlp.gelu.erf": "erf turns any number into one between -1 and 1: here, how far the switch is open.",
    "mlp.activated": "What the detectors report. Without such a switch, many layers would be no more than one: it is "
    "what lets a network compute more than weighted sums.",
    "mlp.out": "Each detector that fired writes its own vector, the stronger the more it found, and all of them are "
    "added up. Much of what a model knows is stored in these weights.",
    "mlp.residual": "The detectors' result is added to the notepad of each word, as attention's was before.",
    "logits": "The last vector of each word is compared with the vector of every word in the vocabulary. The better "
    "they fit, the higher that word's score, its logit, for coming next.",
    "softmax.max": "Scores are about to be turned into probabilities. Only their differences matter, so the largest "
    "one may be subtracted from all; the numbers then stay small enough for any calculator.",
    "softmax.exponentials": "The exponential function makes every score positive, and makes a lead in score a "
    "multiple: a logit higher by 1 makes a word 2.7 times as likely.",
    "softmax.sum": "The total, of which each word of the vocabulary will get its share.",
    "probabilities": "The model's answer: for each place in the text, how likely each word of the vocabulary is to "
    "come next. A chat program draws the next word from such a row, appends it, and starts again.",
    "losses": "The text says which word really came next. If the model had given that word the probability 1, its "
    "surprise would be 0; the less likely it thought the word, the greater the surprise.",
    "loss": "One number for how badly the model predicted this text. All of training is about making this number "
    "smaller.",
    # Backward
    "dloss": "Now the question is turned around: how would the loss change if some number were a little larger? That "
    "is the number's gradient. The answer is worked out backwards, starting from the loss, where it is plainly 1.",
    "dlosses": "The loss is a mean. If one of the numbers in a mean of two rises by 1, the mean rises by a half.",
    "softmax.dsum": "How the loss would change if the total of the exponentials were larger, with all else the same.",
    "softmax.dexponentials": "How the loss would change if one exponential were larger: it is part of the total.",
    "softmax.dmax": "The same number was subtracted from all scores, and added back later. Changing it changes "
    "nothing, so its gradient is 0.",
    "dlogits": "What every score should do for the loss to fall: the score of the right word should rise, and all "
    "others should fall, those most that the model wrongly thought likely. Everything that is learned starts here.",
    "head.dweight": "In this model the vectors that words are compared with at the end are the same as those that are "
    "looked up at the start. This is what the comparison at the end wants to change in them.",
    "lm_head.dweight": "What the comparison at the end wants to change in the vectors of the words.",
    "norm.dout": "How the loss would change if a number that this norm handed on were larger. It was used in several "
    "places, and their answers are added up.",
    "norm.dweight": "How the loss would change if the learned factor of a channel were larger.",
    "norm.dbias": "How the loss would change if the learned shift of a channel were larger.",
    "norm.dnormalized": "The way back through the learned factor: what was multiplied forwards is multiplied by the "
    "same factor backwards.",
    "norm.drstd": "All numbers of the vector were multiplied by one common factor. How would the loss change if that "
    "factor were larger? Each number has its say, and the answers are added up.",
    "norm.dvariance": "A wider spread of the numbers makes the common factor smaller. How strongly, the slope of the "
    "root says.",
    "norm.dcentered": "Each distance from the mean had two effects: it was passed on, and it widened the spread. Both "
    "are added.",
    "norm.dmean": "The mean was subtracted from every number of the vector, so each of them passes back its gradient "
    "with the opposite sign.",
    "norm.dx": "How the loss would change if a number that this norm read were larger: through its own distance, and "
    "through the mean.",
    "mlp.dresidual": "How the loss would change if a number on the notepad were larger at this place. All parts that "
    "read it later have their say, and their answers are added up.",
    "mlp.dout": "What the detectors wrote was added to the notepad, so its gradient is simply that of the notepad.",
    "dweight": "How the loss would change if one weight were larger. A weight multiplies a number: so its gradient is "
    "that number times the gradient of the result. It was used at every place in the text, and all of them are added.",
    "dbias": "How the loss would change if one bias were larger. It is simply added at every place in the text, so the "
    "gradients of all places are added.",
    "mlp.dactivated": "How the loss would change if a detector had reported more: it went into every number of the "
    "result, each time with its own weight.",
    "mlp.gelu.dtanh": "How the loss would change if the switch of a detector were further open.",
    "mlp.gelu.derf": "How the loss would change if the switch of a detector were further open.",
    "mlp.gelu.dargument": "The way back through the curve of the switch: where the curve is flat, small changes have "
    "no effect, and nothing comes back.",
    "mlp.dhidden": "How the loss would change if a detector had found more of its pattern: the number passes through "
    "the switch, and it also sets the switch.",
    "attn.dresidual": "How the loss would change if a number on the notepad were larger at this place: it went into "
    "the detectors, and it also stayed on the notepad. Both answers are added.",
    "attn.dout": "What attention wrote was added to the notepad, so its gradient is simply that of the notepad.",
    "attn.dmerged": "How the loss would change if a head had found a larger number: it was mixed into every channel, "
    "each time with its own weight.",
    "attn.dheads": "The long vector is cut into the heads' parts again.",
    "attn.dweights": "Should a word have looked more at another? If this number is below 0, looking more would have "
    "made the loss smaller.",
    "attn.dv": "How the loss would change if the value of a word were larger. Every word that looked at it has its "
    "say, in proportion to how much it looked.",
    "attn.softmax.dsum": "How the loss would change if the total were larger: all shares of the row would shrink.",
    "attn.softmax.dexponentials": "How the loss would change if one exponential were larger: its own share grows, and "
    "with the total all shares shrink.",
    "attn.softmax.dmax": "The same number was subtracted from all scores of the row. That changes no share, so its "
    "gradient is 0.",
    "attn.dmasked": "How the loss would change if a score were larger. Attention is a fixed total: whatever one word "
    "gains, the others lose, so each row adds up to 0.",
    "attn.dscaled": "The way back through the mask: later words had no effect, so their gradient is 0.",
    "attn.dscores": "The way back through the division: what was divided forwards is divided backwards.",
    "attn.dk": "How the loss would change if the sign that a word holds up, its key, were different. All words that "
    "compared it with their question have their say.",
    "attn.dq": "How the loss would change if a word's question, its query, were different.",
    "embedding.dsum": "How the loss would change if a number that the notepads start with were larger: everything that "
    "the model did with it, in all layers, is in this one number.",
    "embedding.dtoken": "The vector of the word was one of two that were added, so it has the gradient of the sum.",
    "embedding.dposition": "The vector of the place was one of two that were added, so it has the gradient of the sum.",
    "wpe.dweight": "How the loss would change if the vector of a place were different. Places that the text does not "
    "have played no part, so their gradient is 0.",
    "embedding.dweight": "What the look-up at the start wants to change in the vectors of the words. Only words of "
    "the text were looked up.",
    "wte.dweight": "How the loss would change if the vector of a word were different, both uses of it taken together: "
    "the look-up at the start and the comparison at the end.",
    # Update
    "row_squares": "Sometimes a text would change the weights far too much. As a safeguard, the length of the whole "
    "gradient is measured, as the length of an arrow: by the squares of all its numbers.",
    "squares": "The squares of all gradients of one set of weights, added up.",
    "clipping": "The length of the gradient of the whole model, and if it is longer than allowed, the factor that "
    "shortens it. The direction stays the same.",
    "clipped": "Each gradient times that factor: 1 if the gradient was not too long.",
    "decayed": "Weights that nothing needs should fade away, so every weight of a matrix is first moved a tiny bit "
    "towards 0.",
    "m": "One text may be unusual. So the optimizer does not follow its gradient alone, but a running average of all "
    "gradients up to now.",
    "v": "Some gradients are always large and others always tiny. A running average of their squares tells how large "
    "each one usually is.",
    "correction": "The running averages started at 0 and are still too small at first. This is the factor by which.",
    "corrected_m": "The running average of the gradients, corrected for having started at 0.",
    "corrected_v": "The running average of the squares, corrected for having started at 0.",
    "step": "How far the weight will move: the usual gradient divided by its usual size, times the learning rate. So "
    "every weight moves by about the learning rate, however large or small its gradients are.",
    "updated": "The new weight: against the gradient, because the gradient points to where the loss rises.",
    "change": "How much the weight has changed in all. Millions of such small changes are what training is.",
    # Attribution
    "attribution.read": "The last steps turn a vector into scores by multiplying and adding. So one can say in advance "
    "what a 1 in each channel is worth to the score of each word.",
    "attribution.mean": "The final norm subtracts the mean of a vector. It does no harm to subtract it here instead.",
    "attribution.direction": "For each word a direction: whatever part of the model writes along it raises the score "
    "of that word, and whatever part writes against it lowers the score.",
    "attribution.token": "How much of the score of each word comes from the vector of the last word read, before any "
    "layer has done anything.",
    "attribution.position": "How much of the score of each word comes from the place in the text alone.",
    "attribution.attn.out": "The output of attention is a sum over its heads. Here it is taken apart again: what each "
    "head by itself wrote on the notepad.",
    "attribution.attn": "How much each head raised or lowered the score of each word.",
    "attribution.attn.bias": "How much of the score of each word comes from the bias of attention, whatever the text.",
    "attribution.mlp": "How much the feed-forward network of this layer raised or lowered the score of each word.",
    "attribution.bias": "How much of the score of each word comes from the bias of the final norm, whatever the text.",
    "attribution.logits": "The parts added up again. The sum is the logit, except that each part was rounded: this is "
    "the check that nothing was left out.",
    # Weights
    "wte.weight": "A weight of the model, found by training: a number in the vector of one word. Row: the word; "
    "column: the channel.",
    "wpe.weight": "A weight of the model, found by training: a number in the vector of one place in the text. Row: the "
    "place; column: the channel.",
    "lm_head.weight": "A weight of the model, found by training: a number in the vector that a word is compared with "
    "at the end.",
    "norm.weight": "A weight of the model, found by training: the factor of one channel after a norm.",
    "attn.c_attn.weight": "A weight of the model, found by training. The columns of this matrix compute queries, keys "
    "and values: the first third queries, then keys, then values, each head after head.",
    "attn.c_proj.weight": "A weight of the model, found by training: it translates what the heads found into channels "
    "of the residual stream.",
    "mlp.c_fc.weight": "A weight of the model, found by training. Each column of this matrix is the pattern that one "
    "hidden unit looks for.",
    "mlp.c_proj.weight": "A weight of the model, found by training. Each row of this matrix is what one hidden unit "
    "writes when it fires.",
    "bias": "A weight of the model, found by training: a number that is always added, whatever the text.",
    "before.m": "The running average of the gradients after the step that was taken last.",
    "before.v": "The running average of the squared gradients after the step that was taken last.",
}
"""Kind → paragraph. ``kind_of`` says which kind a name is."""

_LAYER = re.compile(r"(^|\.)h\.[0-9]+\.")
_NORM = re.compile(r"\bln_(?:1|2|f)\.")
_SHARED = re.compile(r"(?:attn|mlp)\.c_(?:attn|proj|fc)\.(dweight|dbias|bias)$")


def kind_of(name: str) -> str:
    """Return the kind of a step or weight: ``updated.h.0.ln_1.mean`` → ``norm.mean``, ``m.wte.weight`` → ``m``."""
    prefix, _, rest = name.partition(".")
    if prefix == UPDATED and kind_of(rest) in EXPLANATIONS and not rest.endswith((".weight", ".bias")):
        return kind_of(rest)
    if prefix == "before":
        return ".".join(name.split(".")[:2])
    if prefix in EXPLANATIONS and prefix not in ("bias", "loss", "logits"):
        return prefix
    inner = _NORM.sub("norm.", _LAYER.sub(r"\1", name))
    if shared := _SHARED.search(inner):
        return shared[1]
    return "bias" if inner == "norm.bias" else inner
