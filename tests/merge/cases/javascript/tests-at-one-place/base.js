describe("shop", () => {
  it("opens", () => {
    expect(open()).toBe(true);
  });
});
