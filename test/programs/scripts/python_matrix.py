# numpy with its threads, and OpenCV's coders.
import os, sys, numpy, cv2
a = numpy.arange(160000, dtype=numpy.float64).reshape(400, 400) % 19
print(int((a @ a).sum()), round(float(numpy.linalg.norm(a)), 6), numpy.linalg.matrix_rank(a[:50, :50]))
print(numpy.round(numpy.abs(numpy.fft.fft(a[0]))[:4], 6), numpy.sort(numpy.random.default_rng(1).integers(0, 1000, 8)))
numpy.save("a.npy", a); b = numpy.load("a.npy", mmap_mode="r"); print((b == a).all(), type(b).__name__)
m = numpy.memmap("m", dtype="int32", mode="w+", shape=(1000, 1000)); m[5] = 7; m.flush(); print(os.stat("m").st_size, int(numpy.fromfile("m", "int32").sum()))
picture = cv2.imread(os.environ["DATA"] + "/picture.bmp"); print(picture.shape, cv2.imwrite("p.png", picture), (cv2.imread("p.png") == picture).all())
small = cv2.resize(picture, (64, 48), interpolation=cv2.INTER_AREA); print(int(small.sum()), cv2.imencode(".jpg", small)[0], len(cv2.findContours(cv2.Canny(small, 50, 150), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]))
