package main

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/png"
	"math"
)

// ReadImage is a PNG, as base64, as the numbers [channels, height, width] that networks take.
// What is transparent is black.
func (in *Input) ReadImage(text string) ([]float32, error) {
	file, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, wrong("image", "not base64 (%v); send a PNG as base64", err)
	}
	// Its size first: a small file may hold a large picture.
	size, err := png.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, wrong("image", "not a PNG (%v); send one as base64", err)
	}
	if size.Width != in.Shape[2] || size.Height != in.Shape[1] {
		return nil, wrong("image", "it has %dx%d pixels; the networks take %dx%d", size.Width, size.Height, in.Shape[2], in.Shape[1])
	}
	picture, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, wrong("image", "a damaged PNG (%v); send it again", err)
	}
	return in.normalize(picture), nil
}

func (in *Input) normalize(picture image.Image) []float32 {
	height, width := in.Shape[1], in.Shape[2]
	numbers := make([]float32, in.Shape.size())
	for y := range height {
		for x := range width {
			pixel := picture.At(picture.Bounds().Min.X+x, picture.Bounds().Min.Y+y)
			for c, value := range channels(pixel, in.Shape[0]) {
				numbers[(c*height+y)*width+x] = (float32(value)/math.MaxUint16 - in.Mean[c]) / in.Deviation[c]
			}
		}
	}
	return numbers
}

// channels are a pixel's gray, or its red, green and blue.
func channels(pixel color.Color, count int) []uint16 {
	if count == 1 {
		return []uint16{color.Gray16Model.Convert(pixel).(color.Gray16).Y}
	}
	red, green, blue, _ := pixel.RGBA()
	return []uint16{uint16(red), uint16(green), uint16(blue)}
}
