"""Reading, writing and converting weights: Caffe, torchvision, ONNX, and safetensors files of this package."""
