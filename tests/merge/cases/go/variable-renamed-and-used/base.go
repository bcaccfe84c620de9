package shop

func kept(items []int) []int {
	found := []int{}
	for _, item := range items {
		found = append(found, item)
	}
	return found
}
