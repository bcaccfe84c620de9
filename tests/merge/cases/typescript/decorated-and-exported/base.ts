@Component({selector: 'shop'})
export class Shop {
  a = 1;
  b = 2;
  c = 3;
  d = 4;
}
