package pdiff

// #include <pdiff.h>
import "C"

import (
	"runtime"
	"strings"
	"unsafe"
)

// memory is what one call lends to C: Go memory that stays where it is until free.
type memory struct {
	pins runtime.Pinner
	err  error // the first text that C cannot hold
}

func (m *memory) free() { m.pins.Unpin() }

func (m *memory) text(name, value string) *C.char {
	if strings.ContainsRune(value, 0) && m.err == nil {
		m.err = invalid("%s %q holds a NUL; take it out", name, value)
	}
	bytes := append([]byte(value), 0)
	return (*C.char)(unsafe.Pointer(lend(m, bytes)))
}

// optional is NULL for an empty text.
func (m *memory) optional(name, value string) *C.char {
	if value == "" {
		return nil
	}
	return m.text(name, value)
}

// truth is how C has a bool.
func truth(value bool) C.int32_t {
	if value {
		return 1
	}
	return 0
}

func (m *memory) texts(name string, values []string) **C.char {
	pointers := make([]*C.char, len(values))
	for i, value := range values {
		pointers[i] = m.text(name, value)
	}
	return lend(m, pointers)
}

// lend pins a slice; NULL stands for none.
func lend[T any](m *memory, values []T) *T {
	if len(values) == 0 {
		return nil
	}
	first := unsafe.SliceData(values)
	m.pins.Pin(first)
	return first
}
