// Service serves networks of a libpdiff generator, and the predictions of ensembles of them, over
// HTTP. README.md has its requests.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// Config is what the command line says.
type Config struct {
	// Generator and Network are paths; without a Network there are no predictions.
	Generator, Network string
	// Workers sample at once, and Queue requests wait for one of them.
	Workers, Queue int
	// Timeout of a request: reading, waiting and sampling. Writing its answer may take as long again.
	Timeout time.Duration
	// Drain is how long readiness fails before the listener closes, Grace how long requests may then
	// go on.
	Drain, Grace time.Duration
	// MaxNetworks of one request.
	MaxNetworks int
	// Steps of the sampler; 0: the generator's own number.
	Steps uint64
}

func main() {
	var c Config
	listen := flag.String("listen", "localhost:8080", "address to listen at; port 0 takes a free one")
	flag.StringVar(&c.Generator, "generator", "", "the generator file (required)")
	flag.StringVar(&c.Network, "network", "", "JSON description of the forward pass, for /v1/predict")
	flag.IntVar(&c.Workers, "workers", runtime.NumCPU(), "requests that sample at once")
	flag.IntVar(&c.Queue, "queue", 64, "requests that wait for a worker; more are answered 503")
	flag.DurationVar(&c.Timeout, "timeout", 10*time.Second, "time for a request to be read, wait and sample")
	flag.DurationVar(&c.Drain, "drain", 0, "time between failing readiness and closing the listener")
	flag.DurationVar(&c.Grace, "grace", 30*time.Second, "time for running requests to finish after SIGTERM")
	flag.IntVar(&c.MaxNetworks, "max-networks", 256, "networks of one request, at most")
	flag.Uint64Var(&c.Steps, "steps", 0, "steps of the sampler; 0 takes the generator's own number")
	flag.Parse()
	if err := c.check(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(2)
	}
	if err := serve(c, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

func (c *Config) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%s: not a flag; -help lists them", rest[0])
	case c.Generator == "":
		return fmt.Errorf("-generator is missing; name a file that pdiff train wrote")
	case c.Workers < 1 || c.MaxNetworks < 1 || c.Queue < 0:
		return fmt.Errorf("-workers and -max-networks are 1 or more, -queue 0 or more")
	case c.Timeout <= 0 || c.Drain < 0 || c.Grace < 0:
		return fmt.Errorf("-timeout is more than 0s, -drain and -grace 0s or more")
	}
	return nil
}

// serve listens until SIGTERM or an interrupt, and again until the requests that run are done. A
// second signal ends the process at once.
func serve(c Config, address string) error {
	service, err := New(c)
	if err != nil {
		return err
	}
	defer service.Close()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("-listen %s: %w; choose another address", address, err)
	}
	stopped, restore := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(stopped, restore)
	slog.Info("listening", "address", listener.Addr().String(), "generator", c.Generator)
	return service.Serve(stopped, listener)
}
