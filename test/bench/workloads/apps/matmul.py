# Multiplies two matrices of whole numbers, so that the sum is exact.
import numpy

n = 400
a = numpy.arange(n * n, dtype=numpy.float64).reshape(n, n) % 17
b = numpy.arange(n * n, dtype=numpy.float64).reshape(n, n) % 13
c = a @ b
print("sum", int(c.sum()), "trace", int(c.trace()))
