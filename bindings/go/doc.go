// Package pdiff generates neural-network weights in process: it opens a generator file that
// libpdiff trained, and samples as many ready-to-use networks from it as asked for.
//
//	generator, err := pdiff.Open("net.pdiff")
//	if err != nil {
//		return err
//	}
//	defer generator.Close()
//	networks, err := generator.Sample(ctx, pdiff.Options{Count: 10, Seed: 1})
//
// The same options give the same bytes. [Collect] and [Train] make generators, [Generator.Evaluate]
// judges one.
//
// # Building
//
// The package needs cgo and finds an installed libpdiff by pkg-config. With the build tag
// pdiff_tree it takes include and target/release of the repository that it lies in; CGO_LDFLAGS may
// name another folder of the library, which is looked in first:
//
//	CGO_LDFLAGS="-L$DIR -Wl,-rpath,$DIR" go test -tags pdiff_tree
//
// # Goroutines
//
// A [Generator] may be used by any number of goroutines at once, and closed while they use it:
// Close never waits, calls that run come to their end, later ones return [ErrClosed], and the memory
// goes with the last. A call occupies an operating-system thread while it lasts, so a service bounds
// how many it lets run.
//
// # Errors
//
// What libpdiff refuses is an [*Error], which has the status and one line that names the thing and
// says what to change. Each status is an error that [errors.Is] finds in it, such as [ErrIO]. A
// context that is done stops a call within one denoising step; the error then matches ctx.Err() too.
//
// # Callbacks
//
// Callbacks run on the goroutine of the call, before it returns. An error that a callback returns
// ends the work and is found by [errors.Is] in the call's own. A panic ends the work as well and
// continues out of the call, with the same value, once libpdiff has returned: it never unwinds
// through C. A callback must not call [runtime.Goexit], as the FailNow of a test does.
package pdiff
