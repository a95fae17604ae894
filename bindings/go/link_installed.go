//go:build !pdiff_tree

package pdiff

// #cgo pkg-config: pdiff
import "C"
