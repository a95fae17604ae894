module github.com/libpdiff/libpdiff/bindings/go

go 1.24
