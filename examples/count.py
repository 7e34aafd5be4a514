"""Count parameters and multiply-adds (MACs) of GoogLeNet, and of a network of your own.

    python examples/count.py
"""

from minigooglenet.flops import count
from minigooglenet.layers import Block, Conv, Dense, GlobalAvgPool, MaxPool, Sequential

googlenet = count("googlenet")
print(f"GoogLeNet: {googlenet.params:,} parameters, {googlenet.macs:,} MACs")
for name in ("conv2", "4a", "linear"):
    print(f"  {name:7} {googlenet[name].params:10,} parameters, {googlenet[name].macs:12,} MACs")

# Without a generator the weights are zeros that need no memory: enough for counting.
net = Sequential({
    "conv1": Block(Conv(3, 32, 3, pad=1)), "pool1": MaxPool(2),
    "reduce": Block(Conv(32, 16, 1)), "conv2": Block(Conv(16, 64, 5, pad=2)),
    "pool2": GlobalAvgPool(), "linear": Dense(64, 10),
})
own = count(net, (32, 32, 3))
print(f"\nSequential: {own.params:,} parameters, {own.macs:,} MACs")
for row in own.blocks:
    print(f"  {row.name:7} {row.text:20} {row.params:7,} parameters, {row.macs:10,} MACs")
