"""A network that knows seven shapes learns three others from ten images of each: transfer learning in a minute.

    python examples/finetune.py
"""

from tempfile import TemporaryDirectory

import numpy as np

from minigooglenet.data import Augment, Dataset, shapes10
from minigooglenet.training.config import Config
from minigooglenet.training.finetune import Base, FineTuner
from minigooglenet.training.trainer import Trainer

config = Config(width=0.125, epochs=4, batch=20, lr=0.1, heads=False, average=0)


def shapes(classes, train, test):
    """A Dataset with so many images of each of these classes, numbered from 0."""
    parts = []
    for number, split in ((train, 0), (test, 1)):
        x, y = shapes10.draw(10 * number, seed=1, split=split)
        parts += [x[np.isin(y, classes)], np.searchsorted(classes, y[np.isin(y, classes)])]
    return Dataset("shapes", *parts, [shapes10.CLASSES[k] for k in classes])


def finetuned(net, unfreeze=None):
    """Test accuracy on the three new classes, starting from the weights of ``net``."""
    with TemporaryDirectory() as cache:
        tuner = FineTuner(config.but(epochs=8, lr=0.02), few, normalizer, unfreeze, cache)
        tuner.start_from(Base("seven shapes", config, 32, net.parameters() | net.state(), normalizer))
        tuner.fit_classifier()  # a linear classifier on the features that the net computes
        tuner.run()             # then SGD from the layer ``unfreeze`` on, if any
        return tuner.test()


seven, few = shapes(range(7), 300, 50), shapes([7, 8, 9], 10, 100)
trainer = Trainer(config, seven, augment=Augment("mirror"))
untrained, normalizer = Trainer(config, seven).net, trainer.normalizer
trainer.run()
scratch = Trainer(config.but(epochs=20), few, augment=Augment("mirror"))
scratch.run()

print(f"seven shapes, {len(seven.y_train):,} images:           {trainer.test():6.1%}")
print(f"three others, {len(few.y_train)} images")
print(f"  a network trained from scratch:     {scratch.test():6.1%}")
print(f"  features of an untrained network:   {finetuned(untrained):6.1%}")
print(f"  features of the seven shapes:       {finetuned(trainer.net):6.1%}")
print(f"  the same, fine-tuned from 4e on:    {finetuned(trainer.net, '4e'):6.1%}")
