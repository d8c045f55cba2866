# Tells what a picture shows. usage: mobilenet.py DATA, a folder with the model,
# its labels, the picture and the TensorFlow Lite runtime in tflite/.
import sys

data = sys.argv[1]
sys.path.insert(0, data + "/tflite")

import cv2
from tflite_runtime.interpreter import Interpreter

interpreter = Interpreter(data + "/model.tflite")
interpreter.allocate_tensors()
picture = cv2.cvtColor(cv2.imread(data + "/photo.bmp"), cv2.COLOR_BGR2RGB)
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], cv2.resize(picture, (224, 224))[None])
interpreter.invoke()
scores = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
with open(data + "/labels.txt") as file:
    labels = file.read().split("\n")
for i in scores.argsort()[::-1][:3]:
    print(labels[i], scores[i])
