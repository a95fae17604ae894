//go:build pdiff_tree

package pdiff

// #cgo CFLAGS: -I${SRCDIR}/../../include
// #cgo LDFLAGS: -L${SRCDIR}/../../target/release -lpdiff -Wl,-rpath,${SRCDIR}/../../target/release
import "C"
