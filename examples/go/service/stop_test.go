package main

import (
	"context"
	"net/http"
	"strconv"
	"syscall"
	"testing"
)

// On SIGTERM readiness fails, then no connection is taken, and who waits is still answered.
func TestSIGTERMLetsRequestsFinish(t *testing.T) {
	c := spawn(t, "-generator", gaussian, "-network", linear, "-max-networks", strconv.Itoa(endless),
		"-workers", "1", "-timeout", "1m", "-drain", "1s", "-grace", "1m")
	if a := get(t, c.url+"/readyz"); a.status != 200 {
		t.Fatal(a)
	}
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	send(ctx, c.url+"/v1/predict", never)
	eventually(t, "a worker begins", func() bool { return metric(t, c.url, "pdiff_networks_sampled_total") > 0 })
	waiting := send(context.Background(), c.url+"/v1/networks", `{"n": 5}`)
	eventually(t, "one waits", func() bool { return metric(t, c.url, "pdiff_requests_waiting") == 1 })
	ok(t, c.process.Signal(syscall.SIGTERM))
	unready := false
	eventually(t, "no connection is taken", func() bool {
		response, err := http.Get(c.url + "/readyz")
		if err == nil {
			response.Body.Close()
			unready = unready || response.StatusCode == http.StatusServiceUnavailable
		}
		return err != nil
	})
	if !unready {
		t.Fatal("readiness did not fail first")
	}
	leave() // what the worker does; the next has its turn
	if a := <-waiting; a.status != 200 || len(a.body) == 0 {
		t.Fatalf("%d: %s", a.status, a.body)
	}
	if code := <-c.exited; code != 0 {
		t.Fatal("exit code ", code)
	}
}

func TestAfterTheGraceRequestsAreStopped(t *testing.T) {
	c := spawn(t, "-generator", gaussian, "-network", linear, "-max-networks", strconv.Itoa(endless),
		"-workers", "1", "-timeout", "1m", "-grace", "100ms")
	working := send(context.Background(), c.url+"/v1/predict", never)
	eventually(t, "a worker begins", func() bool { return metric(t, c.url, "pdiff_networks_sampled_total") > 0 })
	ok(t, c.process.Signal(syscall.SIGTERM))
	a := <-working
	refused(t, a, http.StatusServiceUnavailable, "", "the service stops")
	if code := <-c.exited; code != 1 {
		t.Fatal("exit code ", code)
	}
}
