package shop

import (
	"fmt"
	"io"
	"os"
)

type Shop struct {
	Name string
	Open bool
	Size int
}
