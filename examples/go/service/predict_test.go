package main

import (
	"context"
	"fmt"
	"math"
	"testing"

	pdiff "github.com/libpdiff/libpdiff/bindings/go"
)

func TestAPredictionIsThatOfTheEnsemble(t *testing.T) {
	s, url := begin(t, config())
	networks, err := s.generator.Sample(context.Background(), pdiff.Options{Count: 50, Seed: 3})
	ok(t, err)
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-5 }
	h := func(p float64) float64 { return -p*math.Log(p) - (1-p)*math.Log(1-p) }
	disputed := 0
	for _, pixels := range [][]uint8{{0, 128, 255}, {255, 128, 0}, {128, 140, 120}, {200, 10, 90}} {
		got := asked[Prediction](t, url+"/v1/predict", fmt.Sprintf(`{"n": 50, "seed": 3, "image": %q}`, picture(3, 1, pixels...)))
		// By hand: x = (pixel / 255 - mean) / deviation, one linear layer, softmax of two.
		right, entropies, votes := 0.0, 0.0, 0
		for _, w := range networks {
			logit := float64(w[7] - w[6])
			for i, pixel := range pixels {
				logit += (float64(pixel)/255 - 0.5) / 0.25 * float64(w[3+i]-w[i])
			}
			p := 1 / (1 + math.Exp(-logit))
			right += p / 50
			entropies += h(p) / 50
			if p > 0.5 {
				votes++
			}
		}
		if votes > 0 && votes < 50 {
			disputed++
		}
		if !near(got.Probabilities["right"], right) || !near(got.Probabilities["left"], 1-right) || got.Votes["right"] != votes || got.Votes["left"] != 50-votes {
			t.Fatalf("%v is not %v, %v votes", got, right, votes)
		}
		if !near(got.PredictiveEntropy, h(right)) || !near(got.MutualInformation, h(right)-entropies) {
			t.Fatalf("%v is not %v, %v", got, h(right), h(right)-entropies)
		}
		if class := map[bool]string{true: "right", false: "left"}[right > 0.5]; got.Class != class || got.N != 50 || got.Seed != 3 {
			t.Fatal(got)
		}
	}
	if disputed == 0 {
		t.Fatal("members agree on every image, so that votes are not tested")
	}
}

func TestOneMemberHasNoDisagreement(t *testing.T) {
	_, url := begin(t, config())
	got := asked[Prediction](t, url+"/v1/predict", fmt.Sprintf(`{"n": 1, "image": %q}`, picture(3, 1, 9, 8, 7)))
	if got.MutualInformation != 0 || got.PredictiveEntropy <= 0 || len(got.Votes) != 1 {
		t.Fatal(got)
	}
}

func TestUncertaintyKnowsDoubtFromDisagreement(t *testing.T) {
	ln2 := math.Log(2)
	for _, c := range []struct {
		members         [][]float32
		entropy, mutual float64
	}{
		{members: [][]float32{{0, 0}, {5, 5}}, entropy: ln2},                // all members doubt
		{members: [][]float32{{40, 0}, {0, 40}}, entropy: ln2, mutual: ln2}, // each is sure of another
		{members: [][]float32{{40, 0}, {900, 0}}},                           // all are sure of one
	} {
		e := NewEnsemble(2)
		for _, logits := range c.members {
			ok(t, e.Add(logits))
		}
		entropy, mutual := e.Uncertainty()
		if math.Abs(entropy-c.entropy) > 1e-12 || math.Abs(mutual-c.mutual) > 1e-12 {
			t.Fatal(c, entropy, mutual)
		}
	}
}

func TestNetworksThatAreNoNumbersAreRefused(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, logits := range [][]float32{{nan, 0}, {0, nan}, {inf, 0}, {-inf, -inf}} {
		e := NewEnsemble(2)
		if e.Add(logits) == nil || e.members != 0 {
			t.Fatal(logits)
		}
	}
	ok(t, NewEnsemble(2).Add([]float32{0, -inf}))
}
