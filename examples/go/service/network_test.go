package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pdiff "github.com/libpdiff/libpdiff/bindings/go"
)

func TestLogitsAreThoseOfTheDefinitions(t *testing.T) {
	// testdata/golden.py writes it.
	text, err := os.ReadFile("testdata/golden.json")
	ok(t, err)
	var golden struct {
		Shape                  Shape
		Layers                 []Layer
		Tensors                []pdiff.TensorInfo
		Network, Image, Logits []float32
	}
	ok(t, json.Unmarshal(text, &golden))
	tensors, offset := map[string]pdiff.TensorInfo{}, 0
	for _, info := range golden.Tensors {
		info.Offset, info.Generated = offset, true
		offset += info.Elements()
		tensors[info.Name] = info
	}
	n := Network{
		Input:  Input{Shape: golden.Shape, Mean: []float32{0}, Deviation: []float32{1}},
		Layers: golden.Layers, Classes: []string{"a", "b", "c"},
	}
	ok(t, n.bind(func(name string) (pdiff.TensorInfo, bool) { info, found := tensors[name]; return info, found }))
	pass := n.NewPass()
	for range 2 { // the second pass finds the first one's activations
		for i, logit := range pass.Logits(golden.Network, golden.Image) {
			if math.Abs(float64(logit-golden.Logits[i])) > 1e-5 {
				t.Fatal(i, logit, golden.Logits[i])
			}
		}
	}
}

func TestADescriptionThatDoesNotFitIsRefused(t *testing.T) {
	good, err := os.ReadFile(linear)
	ok(t, err)
	for _, c := range []struct{ old, new, says string }{
		{`[1, 1, 3]`, `[1, 1, 4]`, "does not take the [1 1 4] before it"},
		{`[1, 1, 3]`, `[1, 0, 3]`, "give channels, height and width"},
		{`[1, 1, 3]`, `[2, 1, 3]`, "images have 1 or 3"},
		{`[0.5]`, `[0.5, 0.5]`, "one per channel"},
		{`[0.25]`, `[0]`, "deviation has a 0"},
		{`"fc"`, `"fc9"`, "pdiff inspect lists them"},
		{`"fc"`, `"fc", "pool": true`, "(pool: true)"},
		{`[{"name": "fc"}]`, `[]`, "layers is empty"},
		{`"left", "right"`, `"left"`, "classes has 1 names"},
		{`"left", "right"`, `"left", "left"`, "1 of them different"},
		{`"layers"`, `"layer"`, "unknown field"},
		{`{`, `[`, "README.md"},
	} {
		bad := strings.Replace(string(good), c.old, c.new, 1)
		if bad == string(good) {
			t.Fatal("not replaced: ", c.old)
		}
		config := config()
		config.Network = filepath.Join(t.TempDir(), "network.json")
		ok(t, os.WriteFile(config.Network, []byte(bad), 0o600))
		_, err := New(config)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), config.Network+": ") {
			t.Fatalf("%s: %v", c.new, err)
		}
	}
	c := config()
	c.Network = "absent.json"
	if _, err := New(c); !os.IsNotExist(err) && (err == nil || !strings.Contains(err.Error(), "absent.json")) {
		t.Fatal(err)
	}
}
