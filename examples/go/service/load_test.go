package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
)

// One load is 200 requests at 16 in flight.
const (
	requests = 200
	inFlight = 16
	// Resident memory may grow by room over the loads that follow the first two, whose answers are
	// three times as much.
	loads = 6
	room  = 8 << 20
)

// kinds of request, whose answers are known by their seed.
var kinds = []struct{ path, body, accept string }{
	{"/v1/networks", `{"n": 768, "seed": %d}`, jsonKind},
	{"/v1/networks", `{"n": 1024, "seed": %d}`, safetensorsKind},
	{"/v1/predict", `{"n": 64, "seed": %d, "image": "` + picture(3, 1, 10, 20, 30) + `"}`, ""},
}

func TestTwoHundredRequestsAtSixteenInFlightInFlatMemory(t *testing.T) {
	c := spawn(t, "-generator", gaussian, "-network", linear, "-max-networks", "1024", "-timeout", "1m")
	ask := func(number int) answer {
		kind := kinds[number%len(kinds)]
		a, err := post(context.Background(), c.url+kind.path, fmt.Sprintf(kind.body, number), kind.accept)
		if err != nil || a.status != http.StatusOK {
			t.Errorf("request %d is lost: %v %d %.200s", number, err, a.status, a.body)
		}
		return a
	}
	expected := make([][]byte, requests)
	for number := range expected {
		expected[number] = ask(number).body
	}
	load := func() {
		var clients sync.WaitGroup
		numbers := make(chan int)
		for range inFlight {
			clients.Add(1)
			go func() {
				defer clients.Done()
				for number := range numbers {
					if a := ask(number); !bytes.Equal(a.body, expected[number]) {
						t.Errorf("request %d was answered with another's networks", number)
					}
				}
			}()
		}
		for number := range requests {
			numbers <- number
		}
		close(numbers)
		clients.Wait()
		http.DefaultClient.CloseIdleConnections()
	}
	memory := func() float64 { return metric(t, c.url, "process_resident_memory_bytes") }
	for range 2 {
		load()
	}
	before, goroutines := memory(), metric(t, c.url, "go_goroutines")
	for range loads {
		load()
	}
	after := memory()
	t.Logf("resident memory: %.1f MB after two loads, %.1f MB after six more", before/1e6, after/1e6)
	if after > before+room {
		t.Errorf("it grew by %.1f MB", (after-before)/1e6)
	}
	eventually(t, "the loads' goroutines end", func() bool { return metric(t, c.url, "go_goroutines") <= goroutines+2 })
	if answered := metric(t, c.url, `pdiff_requests_total{code="200"`); answered != (1+2+loads)*requests {
		t.Error(answered, " requests were answered")
	}
	if metric(t, c.url, "pdiff_requests_in_flight") != 0 || metric(t, c.url, "pdiff_request_duration_seconds_count") != (1+2+loads)*requests {
		t.Error("the metrics lost requests")
	}
}
