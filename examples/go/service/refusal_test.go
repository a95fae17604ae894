package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// refused checks a status, the field that is named, and that it is one line of JSON.
func refused(t *testing.T, a answer, status int, field, says string) {
	t.Helper()
	var r refusal
	if err := json.Unmarshal(a.body, &r); err != nil || bytes.Count(a.body, []byte("\n")) != 1 || a.header.Get("Content-Type") != jsonKind {
		t.Fatalf("%v is not one line of JSON: %s", err, a.body)
	}
	if a.status != status || r.Field != field || !strings.Contains(r.Message, says) || field != "" && !strings.HasPrefix(r.Message, field+": ") {
		t.Fatalf("%d %q %q instead of %d %q %q", a.status, r.Field, r.Message, status, field, says)
	}
}

func TestABadRequestIsOneLineThatNamesTheField(t *testing.T) {
	c := config()
	c.Generator, c.Network = flow, ""
	_, url := begin(t, c)
	for _, c := range []struct{ body, field, says string }{
		{``, "body", "send one such as"},
		{`{"n": 1`, "body", "not a JSON object"},
		{`{"n": 1} {}`, "body", "send one object"},
		{`[1]`, "body", "got array; give an object"},
		{`{"n": 0}`, "n", "ask for 1 to 256"},
		{`{"n": -3}`, "n", "ask for 1 to 256"},
		{`{"n": 257}`, "n", "it is 257; ask for 1 to 256"},
		{`{"n": "ten"}`, "n", "got string; give a whole number"},
		{`{"n": 1.5}`, "n", "number 1.5"},
		{`{"seed": -1}`, "seed", "from 0 to 2^64 - 1"},
		{`{"seed": 18446744073709551616}`, "seed", "from 0 to 2^64 - 1"},
		{`{"first": 18446744073709551615}`, "first", "a smaller first one"},
		{`{"sed": 1}`, "sed", "there are n, seed, first, condition"},
		{`{"condition": 3}`, "condition", "give an object"},
		{`{"condition": {"speed": 1}}`, "condition.load", "give a number for each of speed, load"},
		{`{"condition": {"speed": 1, "load": 0, "wind": 2}}`, "condition.wind", "there are speed, load"},
		{`{"condition": {"speed": "fast", "load": 0}}`, "condition", "give a number"},
		{`{"condition": {"speed": 1e99, "load": 0}}`, "condition", "give a number"},
		{`{"image": ""}`, "image", "no such field"},
	} {
		a, err := post(context.Background(), url+"/v1/networks", c.body, "")
		ok(t, err)
		refused(t, a, http.StatusBadRequest, c.field, c.says)
	}
	long, err := post(context.Background(), url+"/v1/networks", `{"n": 1`+strings.Repeat(" ", maxBody), "")
	ok(t, err)
	refused(t, long, http.StatusRequestEntityTooLarge, "body", "send less")
	html, err := post(context.Background(), url+"/v1/networks", `{}`, "text/html, application/json;q=0")
	ok(t, err)
	refused(t, html, http.StatusNotAcceptable, "Accept", "application/vnd.safetensors")
	predict, err := post(context.Background(), url+"/v1/predict", `{}`, "")
	ok(t, err)
	refused(t, predict, http.StatusNotImplemented, "", "without -network")
	refused(t, get(t, url+"/v1/networks"), http.StatusMethodNotAllowed, "method", "use POST")
	refused(t, get(t, url+"/v2"), http.StatusNotFound, "path", "no GET /v2; POST /v1/networks")
	if failed := metric(t, url, `pdiff_requests_total{code="500"`); failed != 0 {
		t.Fatal(failed, " requests failed here")
	}
}

func TestABadImageIsOneLineThatNamesTheField(t *testing.T) {
	_, url := begin(t, config())
	whole, err := base64.StdEncoding.DecodeString(picture(3, 1, 1, 2, 3))
	ok(t, err)
	encode := base64.StdEncoding.EncodeToString
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-20] ^= 1
	for _, c := range []struct{ image, says string }{
		{`""`, "not a PNG"},
		{`"%%"`, "not base64"},
		{`[1, 2]`, "got array; give a string"},
		{`"` + encode([]byte("GIF89a")) + `"`, "not a PNG"},
		{`"` + encode(whole[:20]) + `"`, "not a PNG"},
		{`"` + encode(damaged) + `"`, "a damaged PNG"},
		{`"` + picture(28, 28) + `"`, "it has 28x28 pixels; the networks take 3x1"},
	} {
		a, err := post(context.Background(), url+"/v1/predict", fmt.Sprintf(`{"image": %s}`, c.image), "")
		ok(t, err)
		refused(t, a, http.StatusBadRequest, "image", c.says)
	}
	a, err := post(context.Background(), url+"/v1/predict", `{"condition": {"speed": 1}}`, "")
	ok(t, err)
	refused(t, a, http.StatusBadRequest, "condition.speed", "this generator has none")
}
