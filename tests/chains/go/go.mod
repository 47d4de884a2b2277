module example.org/chains

go 1.21
