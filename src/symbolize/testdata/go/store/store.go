// Package store is another package of the same module: the user's own code as well.
package store

// Visit calls back, through a closure of its own.
//
//go:noinline
func Visit(f func()) {
	twice := func() {
		f()
		f()
	}
	twice()
}
