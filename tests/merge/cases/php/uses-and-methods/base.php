<?php
use A\B;

class Shop
{
    public function open()
    {
    }
}
