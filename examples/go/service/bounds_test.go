package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// never is a request that no worker ends.
var never = fmt.Sprintf(`{"n": %d, "image": %q}`, endless, picture(3, 1))

func unbounded() Config {
	c := config()
	c.MaxNetworks = endless
	return c
}

// send posts in the background.
func send(ctx context.Context, url, body string) <-chan answer {
	sent := make(chan answer, 1)
	go func() {
		if a, err := post(ctx, url, body, ""); err == nil {
			sent <- a
		}
		close(sent)
	}()
	return sent
}

func TestAClientThatLeavesEndsItsWork(t *testing.T) {
	slow := config()
	slow.Generator, slow.Network, slow.Steps = flow, "", endless // one network that never comes
	for _, c := range []struct {
		config     Config
		path, body string
	}{{slow, "/v1/networks", `{}`}, {unbounded(), "/v1/predict", never}} {
		s, url := begin(t, c.config)
		ctx, leave := context.WithCancel(context.Background())
		sent := send(ctx, url+c.path, c.body)
		eventually(t, "a worker begins", func() bool { return len(s.gate.working) == 1 })
		leave()
		<-sent
		eventually(t, "the worker ends", func() bool { return len(s.gate.working) == 0 })
		eventually(t, "it is counted", func() bool { return metric(t, url, `pdiff_requests_total{code="499"`) == 1 })
	}
}

func TestATimeoutEndsItsWork(t *testing.T) {
	c := config()
	c.Generator, c.Network, c.Steps, c.Timeout, c.Workers = flow, "", endless, 50*time.Millisecond, 1
	s, url := begin(t, c)
	for range 2 { // the second finds the worker free again
		a, err := post(context.Background(), url+"/v1/networks", `{}`, "")
		ok(t, err)
		refused(t, a, http.StatusGatewayTimeout, "", "ask for fewer")
	}
	if len(s.gate.working) != 0 {
		t.Fatal("a worker goes on")
	}
}

func TestMoreThanTheQueueHoldsIsRefusedAtOnce(t *testing.T) {
	c := unbounded()
	c.Workers, c.Queue = 1, 1
	s, url := begin(t, c)
	first, leaveFirst := context.WithCancel(context.Background())
	second, leaveSecond := context.WithCancel(context.Background())
	defer leaveSecond()
	working := send(first, url+"/v1/predict", never)
	eventually(t, "a worker begins", func() bool { return len(s.gate.working) == 1 })
	waiting := send(second, url+"/v1/networks", `{"n": 2}`)
	eventually(t, "one waits", func() bool { return metric(t, url, "pdiff_requests_waiting") == 1 })
	a, err := post(context.Background(), url+"/v1/networks", `{}`, "")
	ok(t, err)
	refused(t, a, http.StatusServiceUnavailable, "", "the queue is full")
	if a.header.Get("Retry-After") != "1" {
		t.Fatal(a.header)
	}
	// Health and metrics are answered meanwhile, and the one that waits has its turn.
	if h := get(t, url+"/healthz"); h.status != 200 || metric(t, url, "pdiff_requests_in_flight") != 2 {
		t.Fatal(h)
	}
	leaveFirst()
	<-working
	if a := <-waiting; a.status != 200 {
		t.Fatalf("%d: %s", a.status, a.body)
	}
}

func TestWhoWaitsMayLeave(t *testing.T) {
	c := unbounded()
	c.Workers, c.Queue = 1, 1
	s, url := begin(t, c)
	first, leaveFirst := context.WithCancel(context.Background())
	second, leaveSecond := context.WithCancel(context.Background())
	defer leaveFirst()
	send(first, url+"/v1/predict", never)
	eventually(t, "a worker begins", func() bool { return len(s.gate.working) == 1 })
	send(second, url+"/v1/networks", `{}`)
	eventually(t, "one waits", func() bool { return s.gate.waiting.Load() == 1 })
	leaveSecond()
	eventually(t, "nobody waits", func() bool { return s.gate.waiting.Load() == 0 })
	if err := s.gate.enter(second); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestNoGoroutineStays(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("service", func(t *testing.T) {
		s, url := begin(t, unbounded())
		ctx, leave := context.WithCancel(context.Background())
		for range 8 {
			send(ctx, url+"/v1/predict", never)
			asked := `{"n": 0}`
			if _, err := post(context.Background(), url+"/v1/networks", asked, ""); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "six wait", func() bool { return s.gate.waiting.Load() == 6 })
		leave()
	})
	var stacks strings.Builder
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	pprof.Lookup("goroutine").WriteTo(&stacks, 1)
	t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), &stacks)
}
