module github.com/libpdiff/libpdiff/examples/go

go 1.24

require github.com/libpdiff/libpdiff/bindings/go v0.0.0

replace github.com/libpdiff/libpdiff/bindings/go => ../../bindings/go
