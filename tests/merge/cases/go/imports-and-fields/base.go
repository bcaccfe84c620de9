package shop

import (
	"fmt"
)

type Shop struct {
	Name string
}
