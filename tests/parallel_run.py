"""One short training in float64, to be run by one process or under mpiexec: ``parallel_run.py FILE`` writes the weights
of the first process to FILE. In float64, because float32's rounding, which depends on the order of a sum, is magnified
a thousandfold in each step of a network as narrow as the tests'."""

import sys

import numpy as np
import small

from minigooglenet import fast, processes
from minigooglenet.data import Augment
from minigooglenet.training.average import Average
from minigooglenet.training.sgd import SGD
from minigooglenet.training.trainer import Trainer

processes.join()
trainer = Trainer(small.NARROW.but(epochs=1, batch=10), small.pictures(), None, Augment("crop"))
net, normaliser = trainer.net.astype("float64"), trainer.normaliser
trainer.engine = fast.speed_up(net, input_gradient=False)
trainer.sgd = SGD(net.parameters(), 0.9, 5e-4, nesterov=True)
trainer.average = Average(net.parameters() | net.state(), 0.9)
trainer.normaliser = lambda x: normaliser(x, np.float64)
losses = []
trainer.run(lambda trainer, loss: losses.append(loss) if loss is not None else None)
everything = {f"average {path}": a for path, a in trainer.average.arrays.items()} | net.parameters() | net.state()
everything |= {"losses": np.array(losses), "correct": np.array(trainer.history[0]["train_accuracy"])}
same = processes.sum_over_processes(net.parameters()["conv1/w"]) / processes.count()
assert np.array_equal(same, net.parameters()["conv1/w"]) or processes.count() > 2, "the processes have parted"
if processes.rank() == 0:
    np.savez(sys.argv[1], **{path.replace("/", "|"): a for path, a in everything.items()})
