package main

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

const (
	jsonKind        = "application/json"
	safetensorsKind = "application/vnd.safetensors"
	bytesKind       = "application/octet-stream"
)

// accepted is the media type of the answer that an Accept header likes best; JSON where it does not
// say (RFC 9110, section 12.5.1).
func accepted(headers []string) (string, error) {
	accept := strings.Join(headers, ",")
	if strings.TrimSpace(accept) == "" {
		return jsonKind, nil
	}
	best, most := "", 0.0
	for _, part := range strings.Split(accept, ",") {
		kind, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		weight, err := strconv.ParseFloat(parameters["q"], 64)
		if err != nil {
			weight = 1
		}
		switch kind {
		case jsonKind, safetensorsKind, bytesKind:
		case "*/*", "application/*":
			kind = jsonKind
		default:
			continue
		}
		if weight > most {
			best, most = kind, weight
		}
	}
	if best == "" {
		return "", refuse(http.StatusNotAcceptable, "Accept", "%q is not offered; ask for %s or %s", accept, jsonKind, safetensorsKind)
	}
	return best, nil
}
