"""A short training run in float64, in one process or under mpiexec: ``parallel_run.py FILE`` writes the weights of
process 0 to FILE. float64, because in a network as narrow as the tests' each step magnifies the rounding errors of
float32, which depend on the order of sums, a thousandfold."""

import sys

import numpy as np
import small

from minigooglenet import engine
from minigooglenet.data import Augment
from minigooglenet.training import processes
from minigooglenet.training.average import Average
from minigooglenet.training.sgd import SGD
from minigooglenet.training.trainer import Trainer

processes.initialize()
trainer = Trainer(small.NARROW.but(epochs=1, batch=10), small.dataset(), None, Augment("crop"))
net, normalizer = trainer.net.astype("float64"), trainer.normalizer
trainer.compiled = engine.compile(net, input_gradient=False)
trainer.sgd = SGD(net.parameters(), 0.9, 5e-4, nesterov=True)
trainer.average = Average(net.parameters() | net.state(), 0.9)
trainer.normalizer = lambda x: normalizer(x, np.float64)
losses = []
trainer.run(lambda trainer, loss: losses.append(loss) if loss is not None else None)
everything = {f"average {path}": a for path, a in trainer.average.arrays.items()} | net.parameters() | net.state()
everything |= {"losses": np.array(losses), "correct": np.array(trainer.history[0]["train_accuracy"])}
same = processes.sum_over_processes(net.parameters()["conv1/w"]) / processes.count()
assert np.array_equal(same, net.parameters()["conv1/w"]) or processes.count() > 2, "the weights of the processes differ"
if processes.rank() == 0:
    np.savez(sys.argv[1], **{path.replace("/", "|"): a for path, a in everything.items()})
