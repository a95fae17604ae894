package main

import (
	"errors"
	"math"
)

// Ensemble gathers what its members say of one image.
type Ensemble struct {
	members int
	votes   []int
	// sums of the members' probabilities, and of their entropies.
	probabilities []float64
	entropies     float64
}

// NewEnsemble has no members yet.
func NewEnsemble(classes int) *Ensemble {
	return &Ensemble{votes: make([]int, classes), probabilities: make([]float64, classes)}
}

// Add counts a member by its logits, which must be finite.
func (e *Ensemble) Add(logits []float32) error {
	p := softmax(logits)
	h := entropy(p)
	if math.IsNaN(h) {
		return errors.New("its logits are not finite")
	}
	e.members++
	e.votes[argmax(p)]++
	e.entropies += h
	for class := range p {
		e.probabilities[class] += p[class]
	}
	return nil
}

// Probabilities are the members' mean.
func (e *Ensemble) Probabilities() []float64 {
	mean := make([]float64, len(e.probabilities))
	for class, sum := range e.probabilities {
		mean[class] = sum / float64(e.members)
	}
	return mean
}

// Uncertainty in nats (arXiv 1112.5745, equation 2): the predictive entropy H[mean p] is the whole;
// the mutual information H[mean p] - mean H[p] is the part that the members' disagreement makes.
func (e *Ensemble) Uncertainty() (predictiveEntropy, mutualInformation float64) {
	total := entropy(e.Probabilities())
	return total, max(total-e.entropies/float64(e.members), 0)
}

func softmax(logits []float32) []float64 {
	p := make([]float64, len(logits))
	top := float64(logits[argmax(logits)])
	sum := 0.0
	for i, logit := range logits {
		p[i] = math.Exp(float64(logit) - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// entropy in nats; 0 log 0 is 0.
func entropy(p []float64) float64 {
	h := 0.0
	for _, q := range p {
		if q != 0 {
			h -= q * math.Log(q)
		}
	}
	return h
}

// argmax is the first of the largest.
func argmax[T float32 | float64](values []T) int {
	best := 0
	for i, value := range values {
		if value > values[best] {
			best = i
		}
	}
	return best
}
