package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	fixtures = "../../../tests/fixtures/generators/"
	// Tensors of every dtype, conditions speed and load, a flow.
	flow = fixtures + "flow.pdiff"
	// A linear layer of 3 numbers and 2 classes.
	gaussian = fixtures + "gaussian.pdiff"
	linear   = "testdata/linear.json"
)

// endless is a count that takes hours in bounded memory, and steps that do.
const endless = 1 << 40

// As a child the test's own binary is the service, so that signals and memory are a process's own.
func TestMain(m *testing.M) {
	if os.Getenv("PDIFF_SERVICE_IS_CHILD") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for what must come, for as long as a loaded machine may need.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: ", what)
		}
	}
}

func config() Config {
	return Config{Generator: gaussian, Network: linear, Workers: 2, Queue: 64, MaxNetworks: 256,
		Timeout: time.Minute, Grace: time.Minute}
}

// begin serves in this process until the test ends.
func begin(t *testing.T, c Config) (*Service, string) {
	t.Helper()
	s, err := New(c)
	ok(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	stopped, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(stopped, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		s.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s, "http://" + listener.Addr().String()
}

// child is the service as a process of its own.
type child struct {
	url     string
	process *os.Process
	exited  chan int
}

func spawn(t *testing.T, flags ...string) *child {
	t.Helper()
	command := exec.Command(os.Args[0], append([]string{"-listen", "127.0.0.1:0"}, flags...)...)
	command.Env = append(os.Environ(), "PDIFF_SERVICE_IS_CHILD=1")
	stderr, err := command.StderrPipe()
	ok(t, err)
	ok(t, command.Start())
	c := &child{process: command.Process, exited: make(chan int, 1)}
	address, log := make(chan string, 1), &bytes.Buffer{}
	go func() {
		for lines := bufio.NewScanner(io.TeeReader(stderr, log)); lines.Scan(); {
			if _, rest, found := strings.Cut(lines.Text(), "address="); found {
				address <- strings.Fields(rest)[0]
			}
		}
		command.Wait()
		close(address)
		c.exited <- command.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		c.process.Kill()
		if t.Failed() {
			t.Logf("the child said:\n%s", log)
		}
	})
	at, found := <-address
	if !found {
		t.Fatalf("the child did not start: %s", log)
	}
	c.url = "http://" + at
	return c
}

// answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func post(ctx context.Context, url, body, accept string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	return do(request)
}

func do(request *http.Request) (answer, error) {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, body}, err
}

func get(t testing.TB, url string) answer {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	ok(t, err)
	a, err := do(request)
	ok(t, err)
	return a
}

// asked posts what must be answered with 200.
func asked[T any](t testing.TB, url, body string) T {
	t.Helper()
	a, err := post(context.Background(), url, body, "")
	ok(t, err)
	if a.status != http.StatusOK || a.header.Get("Content-Type") != jsonKind {
		t.Fatalf("%d %s: %s", a.status, a.header.Get("Content-Type"), a.body)
	}
	var value T
	ok(t, json.Unmarshal(a.body, &value))
	return value
}

// metric sums the series whose name and labels begin so.
func metric(t testing.TB, url, series string) float64 {
	t.Helper()
	sum := 0.0
	for line := range strings.Lines(string(get(t, url+"/metrics").body)) {
		if rest, found := strings.CutPrefix(line, series); found {
			value, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndex(rest, " "):]), 64)
			ok(t, err)
			sum += value
		}
	}
	return sum
}

// picture is a gray PNG as base64.
func picture(width, height int, gray ...uint8) string {
	p := image.NewGray(image.Rect(0, 0, width, height))
	for i, y := range gray {
		p.SetGray(i%width, i/width, color.Gray{Y: y})
	}
	var file bytes.Buffer
	if err := png.Encode(&file, p); err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(file.Bytes())
}
