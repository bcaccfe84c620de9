package shop

import (
	"fmt"
	"io"
)

type Shop struct {
	Name string
	Open bool
}
