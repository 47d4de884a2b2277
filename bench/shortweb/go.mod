module example.org/shortweb

go 1.21
