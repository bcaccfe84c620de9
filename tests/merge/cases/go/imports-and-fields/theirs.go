package shop

import (
	"fmt"
	"os"
)

type Shop struct {
	Name string
	Size int
}
