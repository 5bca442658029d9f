"""Runs `.tflite` files on whatever runtime this interpreter has; imports nothing of ours, for an environment of its own.

python tflite_runner.py < {MODEL: [[...]]} > {"runtime": "...", "outputs": {MODEL: [[...]]}}
"""

import json
import sys

import numpy as np


def main() -> None:
    """One model after the other, one row after the other."""
    try:
        from tflite_runtime.interpreter import Interpreter

        name = "tflite-runtime"
    except ImportError:
        import tensorflow as tf

        Interpreter, name = tf.lite.Interpreter, "tensorflow"  # noqa: N806
    outputs: dict[str, list[list[float]]] = {}
    for path, inputs in json.load(sys.stdin).items():
        interpreter = Interpreter(model_path=path)
        interpreter.allocate_tensors()
        source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        outputs[path] = []
        for row in inputs:
            interpreter.set_tensor(source["index"], np.array([row], dtype=np.float32))
            interpreter.invoke()
            outputs[path].append([float(value) for value in interpreter.get_tensor(target["index"])[0]])
    json.dump({"runtime": name, "outputs": outputs}, sys.stdout)


if __name__ == "__main__":
    main()
