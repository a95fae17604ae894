package main

import (
	"fmt"
	"net/http"
)

// Question is the body of POST /v1/predict.
type Question struct {
	Wanted
	// Image is a PNG of the networks' size, as base64.
	Image string `json:"image"`
}

// Prediction is its answer.
type Prediction struct {
	Wanted
	// Class has the highest mean probability.
	Class string `json:"class"`
	// Probabilities are the members' mean, Votes how many of them choose a class.
	Probabilities map[string]float64 `json:"probabilities"`
	Votes         map[string]int     `json:"votes"`
	// Both in nats, from 0 to the logarithm of the number of classes.
	PredictiveEntropy float64 `json:"predictive_entropy"`
	MutualInformation float64 `json:"mutual_information"`
}

func (s *Service) predict(w http.ResponseWriter, r *http.Request) error {
	if s.network == nil {
		return &refusal{status: http.StatusNotImplemented, Message: "this service was started without -network; it only answers /v1/networks"}
	}
	question := Question{Wanted: Wanted{N: 32}}
	if err := readJSON(w, r, &question); err != nil {
		return err
	}
	options, err := s.options(&question.Wanted)
	if err != nil {
		return err
	}
	image, err := s.network.Input.ReadImage(question.Image)
	if err != nil {
		return err
	}
	if err := s.gate.enter(r.Context()); err != nil {
		return err
	}
	defer s.gate.leave()
	ensemble, pass := NewEnsemble(len(s.network.Classes)), s.network.NewPass()
	err = s.generator.SampleEach(r.Context(), options, func(number uint64, flat []float32) error {
		if err := ensemble.Add(pass.Logits(flat, image)); err != nil {
			return fmt.Errorf("network %d of seed %d: %w", number, options.Seed, err)
		}
		s.metrics.sampled.Inc()
		return r.Context().Err()
	})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, s.network.prediction(question.Wanted, ensemble))
}

func (n *Network) prediction(wanted Wanted, e *Ensemble) Prediction {
	p := Prediction{Wanted: wanted, Probabilities: map[string]float64{}, Votes: map[string]int{}}
	mean := e.Probabilities()
	for class, name := range n.Classes {
		p.Probabilities[name] = mean[class]
		if e.votes[class] > 0 {
			p.Votes[name] = e.votes[class]
		}
	}
	p.Class = n.Classes[argmax(mean)]
	p.PredictiveEntropy, p.MutualInformation = e.Uncertainty()
	return p
}
